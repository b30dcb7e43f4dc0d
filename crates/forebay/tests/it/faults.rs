//! The gateway on an Apache Kafka of three nodes, while nodes, ways, gateways and services fail.
//!
//! A load of keyed records runs through everything. At the end the services' journals are held
//! against what stands in Kafka: nothing lost, nothing out of order, no two deliveries of a key at
//! once at services that refuse former owners, and nothing again that an acknowledged commit covers.
//!
//! These tests start three brokers, so they run only when asked for (`scripts/faults`).

mod cluster;
mod fault;
mod fleet;
mod history;
mod load;
mod long;
mod report;
mod rolling;
mod short;
mod trial;
