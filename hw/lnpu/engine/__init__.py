"""The engine: PE lines with their files, X buffer, balancer, loader and collector (`docs/engine.md`)."""
