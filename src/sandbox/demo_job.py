"""``python -m sandbox.demo_job NAME …``: `crons.run` without the user's ``.env``, for the demo sets everything."""

from __future__ import annotations

from crons.run import leave, main

if __name__ == "__main__":
    leave(main(env_file=None))
