"""
Programs that strangers would write, run against our server: each speaks as its own client library does.

    python/      programs for client libraries of Python, each run by the interpreter of the library's environment
    node/ go/    programs for @kubernetes/client-node, and for client-go and controller-runtime
    shell/       what people do with kubectl and helm; chart/ is what helm installs

A program checks itself as it goes, and prints what it saw; the test beside it runs it and knows what it must print.
`$KUBECONFIG` leads it to the server, `$NAMESPACE` is a name that nobody has taken: it makes the namespace itself.
`make foreign` makes the environments, out of versions that are pinned here, under .venv/foreign. What cannot be made on
a machine (no Go there, no package index) is skipped, and says why.

Each test runs twice: on `ctrlkit apiserver`, and under `make judge` on a real kube-apiserver, whose word decides.
"""
