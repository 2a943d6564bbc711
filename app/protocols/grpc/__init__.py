"""gRPC: the Open Inference Protocol's messages, and the calls that every gRPC server answers.

Knows no connection: HTTP/2 carries a call as a request, and trailers as fields of a reply.
"""
