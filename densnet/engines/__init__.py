"""Programs of others that move atoms with our model: their input files, what they call, what they leave."""
