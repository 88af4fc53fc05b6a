//! The connection to Redis: one multiplexed connection that is made again when it breaks, what its
//! errors mean, and whether the server answers at all.
