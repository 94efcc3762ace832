//! Harness for the privileged suites.
