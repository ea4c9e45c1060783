"""
Kubeconfig files as kubectl reads them, without a connection: bytes of files -> one context with its cluster and user.

    document.py   YAML as Go's libraries take it -> plain values
    shape.py      plain values -> typed entries
    files.py      which files, read and merged; paths beside the file that names them
    choice.py     one context with its cluster and user, and what is wrong with them
"""
