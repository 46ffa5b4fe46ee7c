//! The same core under virtual time, with scripted effects and text scenarios.
