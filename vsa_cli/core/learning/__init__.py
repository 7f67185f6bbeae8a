"""What training the two models shares: the request, the run, and the model directory that comes of it."""
