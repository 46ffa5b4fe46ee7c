//! What the user wrote, turned into what the engine runs.
