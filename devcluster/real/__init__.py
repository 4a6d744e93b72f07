"""What people run with `make cluster`: real nodes, images, a name server, S3, the operator."""
