"""Kubernetes as the operator sees it: objects, names, actions, and the seam to the API server."""
