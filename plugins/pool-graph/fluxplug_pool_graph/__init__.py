"""The resource graph: readers, matcher, writers, and the command `resource-query` over them."""
