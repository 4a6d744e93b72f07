"""What every cluster of the project stands on: programs, processes, keys, a control plane."""
