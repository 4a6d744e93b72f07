"""The Helm chart and the kustomize manifests, rendered by the real tools."""
