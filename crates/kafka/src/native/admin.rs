//! Admin requests through librdkafka's own admin API.
