"""llama.cpp as the engine for GGUF files that OpenVINO does not read, in a process of its own."""
