//! Clients that mean harm, and a well-behaved one beside them that must not notice.
