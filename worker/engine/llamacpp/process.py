"""``python -m worker.engine.llamacpp.process``: llama.cpp's server around one file, on loopback.

Reads its options from the first line of standard input, says in a line that it is ready, and ends
when its input does. What it logs may hold prompts, so it is dropped.
"""

import json
import os
import signal
import sys

import xllamacpp


def serve(options: dict[str, str | int]) -> xllamacpp.Server:
    """Start the server; takes as long as the model takes to load."""
    params = xllamacpp.CommonParams()
    params.model.path = options["file"]
    params.model_alias = {options["name"]}
    params.port = options["port"]
    params.api_keys = [options["key"]]
    params.n_parallel = options["max_requests"]
    params.n_ctx = options["cache_tokens"]
    params.kv_unified = True
    params.cache_ram_mib = 0  # prompts of one tenant are not kept for another to find
    params.n_threads_http = int(options["max_requests"]) + 2
    params.verbosity = 0
    params.ui = False
    params.endpoint_slots = False  # it would show prompts
    if options.get("pictures"):
        params.mmproj.path = options["pictures"]
    return xllamacpp.Server(params)


def main() -> int:
    """Run the server until standard input ends; return the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to the worker as well
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        server = serve(json.loads(sys.stdin.readline()))
    except BaseException as error:  # noqa: BLE001 - the worker is told, whatever it is
        out.write(json.dumps({"error": f"{type(error).__name__}: {error}"}) + "\n")
        out.flush()
        os._exit(1)
    out.write(json.dumps({"ready": server.listening_address}) + "\n")
    out.flush()
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
