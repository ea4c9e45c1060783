"""
HTTP and TLS: where the server is, how an Action travels, and what the answers mean.

    config/         a kubeconfig or a service account -> Endpoint
    endpoint.py     Endpoint: an API server as one user reaches it
    transport.py    RestTransport: Action -> HTTP -> bytes; time limits, retries
    connections.py  the pool: which connection a request goes over, and that it goes once
    streams.py      the lines of a watch, the pieces of a text, as they arrive
    websocket.py    connections with channels over WebSocket
    errors.py       refusals and exceptions of the HTTP library -> ApiError, TransportError
    secrets.py      text that is not shown, exceptions that leave their frames behind
    metrics.py      RestCollector: requests, for Prometheus
    routes.py       Action <-> method, path, body; pure, shared with the embedded API server
    parameters.py   Options <-> query and DeleteOptions; pure
    yaml_body.py    YAML bodies as an API server reads them; pure
    answers.py      what an answer means, by its kind: one table for all verbs; pure
    documents.py    what a document says of itself, readable as a whole or not; pure
    list_parts.py   a long list -> parts, so that decoding it holds nobody up; pure
    codec.py        bytes -> records and watch events; pure

Nothing is imported here, so that what needs the pure modules alone does not pay for the HTTP library.
"""
