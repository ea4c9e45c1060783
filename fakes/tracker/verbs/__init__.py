"""What the server does with a request, a file for each verb."""
