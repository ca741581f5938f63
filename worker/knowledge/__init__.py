"""What questions are answered from: documents, their passages, and how these are found."""
