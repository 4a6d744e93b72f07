"""``python -m cycleqd.cli``, how a run starts its workers."""

from cycleqd.cli import main

if __name__ == "__main__":
    main()
