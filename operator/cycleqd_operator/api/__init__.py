"""The Kubernetes API of a run: its custom resource definition, status and conditions."""
