"""
HTTP and TLS: where the server is, how an Action travels, and what its answers mean.

    config.py      a kubeconfig or a service account -> Endpoint
    kubeconfig/    files -> one context with its cluster and user; pure but for the reading
    service_account.py that of the pod this runs in
    loading.py     what they refer to, read: tokens, certificates, the answer of a plugin
    plugin.py      credential plugins
    identity.py    a user -> headers; pure
    server.py      a server's address as it is written -> a URL; pure
    endpoint.py    Endpoint: a server as one user reaches it
    credentials.py tokens and certificates, read anew when that is due
    files_read.py  whether files hold something else than when they were read
    secret.py      text that is not shown
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
    answers.py     what an answer means, by what it says it is: one table for all verbs; pure
    heads.py       what a document says of itself; pure
    salvage.py     what can be read of an object that is not as it should be; pure
    codec.py       bytes -> records and watch events; pure

Nothing is imported here, so that what needs the pure modules alone does not pay for the HTTP library.
"""
