//! Settings of topics, brokers and groups.

use rdkafka_sys as sys;
use sys::rd_kafka_admin_op_t as Op;

use super::{AdminClient, Failed, Guard, listed, native};
use crate::native::{failure, text};

/// Name, value and whether it is the default.
pub(crate) type Setting = (String, Option<String>, bool);

impl AdminClient<'_> {
    /// Name, value and whether it is the default, for each setting of a topic.
    pub(crate) fn topic_configs(&self, name: &str) -> Result<Vec<Setting>, Failed> {
        self.configs(sys::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC, name)
    }

    /// The same of a group that joins by epochs (KIP-848).
    pub(crate) fn group_configs(&self, name: &str) -> Result<Vec<Setting>, Failed> {
        self.configs(sys::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_GROUP, name)
    }

    /// The same of a broker.
    pub(crate) fn broker_configs(&self, id: i32) -> Result<Vec<Setting>, Failed> {
        self.configs(sys::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_BROKER, &id.to_string())
    }

    fn configs(
        &self,
        kind: sys::rd_kafka_ResourceType_t,
        name: &str,
    ) -> Result<Vec<Setting>, Failed> {
        let name = native(name)?;
        // SAFETY: the name is alive and is copied.
        let resource = unsafe { sys::rd_kafka_ConfigResource_new(kind, name.as_ptr()) };
        let resource = Guard::new(resource, sys::rd_kafka_ConfigResource_destroy)?;
        let mut resources = [resource.ptr()];
        self.ask(
            Op::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS,
            |client, options, queue| {
                // SAFETY: the array and what it points at live until the event is there.
                unsafe {
                    sys::rd_kafka_DescribeConfigs(
                        client,
                        resources.as_mut_ptr(),
                        1,
                        options,
                        queue,
                    );
                }
            },
            |event| {
                // SAFETY: the event is alive and of this kind, and so is what it gives.
                unsafe {
                    let result = sys::rd_kafka_event_DescribeConfigs_result(event);
                    let resources =
                        listed(|n| sys::rd_kafka_DescribeConfigs_result_resources(result, n));
                    let Some(resource) = resources.first().copied() else {
                        return Ok(Vec::new());
                    };
                    if let Some(code) = failure(sys::rd_kafka_ConfigResource_error(resource) as i32)
                    {
                        let reason = text(sys::rd_kafka_ConfigResource_error_string(resource));
                        return Err((code, reason.unwrap_or_default()));
                    }
                    let entries = listed(|n| sys::rd_kafka_ConfigResource_configs(resource, n));
                    Ok(entries.into_iter().map(|entry| native_config(entry)).collect())
                }
            },
        )?
    }
}

/// # Safety
/// `entry` is valid.
unsafe fn native_config(
    entry: *const sys::rd_kafka_ConfigEntry_t,
) -> (String, Option<String>, bool) {
    // SAFETY: as the caller promises.
    unsafe {
        let sensitive = sys::rd_kafka_ConfigEntry_is_sensitive(entry) == 1;
        let value = text(sys::rd_kafka_ConfigEntry_value(entry)).filter(|_| !sensitive);
        (
            text(sys::rd_kafka_ConfigEntry_name(entry)).unwrap_or_default(),
            value,
            sys::rd_kafka_ConfigEntry_is_default(entry) == 1,
        )
    }
}
