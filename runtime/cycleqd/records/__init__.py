"""The run on disk: the documents that a store holds and the keys they stand under."""
