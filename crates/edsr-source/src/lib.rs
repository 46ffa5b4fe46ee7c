//! How events arrive: CloudEvents, webhooks, authentication and bounds.
