//! tlsunset.
