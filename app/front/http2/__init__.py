"""HTTP/2 with prior knowledge, on the port of HTTP/1.1: the transport of gRPC.

`connection` reads frames and keeps the streams; `stream` is one request and its answer; `sending`
is what goes out, as far as the client's windows allow; `heads` and `blocks` are fields and their
compressed form; `budgets` is what a client may do that brings no request nearer; `frames` is bytes.
"""
