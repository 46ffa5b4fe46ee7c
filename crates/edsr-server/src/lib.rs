//! The HTTP API: types of its own, OpenAPI, server-sent events.
