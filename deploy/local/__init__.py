"""Waterhole on one machine, without Docker or root: embedded Kafka, MongoDB and S3 servers and their supervisor.

`stack` says what runs and with which environment, `servers` how the three servers are started, `supervisor` keeps
children running, `log_view` shows their lines, `data_folder` holds what outlives a run; `client` and `demo` use the
running stack through its public REST API only.
"""
