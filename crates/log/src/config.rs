//! What can be set for one log; the names and defaults are Kafka's.

/// Whose clock a record's timestamp is from (`message.timestamp.type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampType {
    #[default]
    CreateTime,
    LogAppendTime,
}

/// Settings of one log. Sizes are bytes, durations milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// `segment.bytes`: a new segment is begun before this is passed; one batch always fits.
    pub segment_bytes: u32,
    /// `segment.ms`: a segment that was begun this long ago takes no more batches.
    pub segment_ms: i64,
    /// `index.interval.bytes`: one index entry for each so many bytes of log.
    pub index_interval_bytes: u32,
    /// `segment.index.bytes`: a segment whose index is full takes no more batches.
    pub segment_index_bytes: u32,
    /// `max.message.bytes`: largest batch.
    pub max_message_bytes: u32,
    pub timestamp_type: TimestampType,
    /// `producer.id.expiration.ms`: an idle idempotent producer is forgotten after this.
    pub producer_id_expiration_ms: i64,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 30,
            segment_ms: 7 * 24 * 60 * 60 * 1000,
            index_interval_bytes: 4096,
            segment_index_bytes: 10 << 20,
            max_message_bytes: 1024 * 1024 + 12,
            timestamp_type: TimestampType::CreateTime,
            producer_id_expiration_ms: 24 * 60 * 60 * 1000,
        }
    }
}
