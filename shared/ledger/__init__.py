"""The ledger in Redis: each Lua script is one atomic step between the states of a job.

    accept ─▶ waiting ─▶ queued ─▶ running ─▶ done ─▶ delivered
                 │          ▲         │         ▲
                 └──────────┘         └─(lease ran out)─▶ queued
                (its turn came)

A job is ``waiting`` while an older one of its conversation is open, ``queued`` while any worker may
claim it, ``running`` under a lease, ``done`` once its reply lies in the outbox and ``delivered``
once a bots process has shown it. A message that load forbids is ``refused``, one that its author
deleted ``withdrawn``. Times are Redis's own clock in ms, so no machine's clock matters. Keys are
built inside the scripts from ids, which a single Redis allows and a cluster does not.

``lifecycle`` has the steps of a job, ``presentation`` those of its answer, ``status``
those for operators.
"""
