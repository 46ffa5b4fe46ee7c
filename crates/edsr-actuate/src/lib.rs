//! How effects leave: actuators for processes, HTTP, events and notifications.
