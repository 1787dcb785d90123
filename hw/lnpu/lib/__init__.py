"""General hardware building blocks: streams, pipelines, bit helpers. Knows nothing about accelerators."""
