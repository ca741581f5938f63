"""Models that transformers computes, on a GPU or where no other engine can."""
