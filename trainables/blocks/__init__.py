"""Parts that the algorithms share: from the tensors of a batch to features, each with one job."""
