//! Tests of the kind.
