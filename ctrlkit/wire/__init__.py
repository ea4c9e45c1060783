"""
HTTP and TLS: where the server is, how an Action travels, and what its answers mean.

    config.py      a kubeconfig or a service account -> Endpoint
    endpoint.py    Endpoint: a server as one user reaches it
    credentials.py tokens and certificates, read anew when that is due
    tls.py         certificates -> a TLS context
    proxies.py     the proxy that the environment names
    transport.py   RestTransport: Action -> HTTP -> bytes; time limits, retries
    connections.py the pool: which connection a request goes over, and that it goes once
    metrics.py     RestCollector: what transports counted, for Prometheus
    faults.py      the HTTP library's exceptions -> TransportError
    status.py      a refusal's body and headers -> ApiError; pure
    routes.py      Action <-> method, path, body; pure, shared with the embedded API server
    parameters.py  Options <-> query and DeleteOptions; pure
    frames.py      chunks -> lines; pure
    list_parts.py  a long list -> parts, so that decoding it holds nobody up; pure
    codec.py       bytes -> records and watch events; pure

Nothing is imported here, so that what needs the pure modules alone does not pay for the HTTP library.
"""
