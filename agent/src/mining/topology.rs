//! How many hash threads, and on which processors.
