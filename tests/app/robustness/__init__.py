"""What may go wrong around a service, and the answer that is expected then.

`test_bodies` what a client sends, in every protocol; `test_slow_clients` how it sends it;
`test_overload` more than there is room for; `test_endings` signals under load; `test_bundles`
damaged files; `test_silence` what a service must not do by itself.
"""
