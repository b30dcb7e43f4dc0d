//! What blocks a thread, as all that asks Kafka does, off the threads that answer requests.

pub(crate) async fn blocking<T: Send + 'static, E: std::fmt::Display + Send + 'static>(
    ask: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, String> {
    match tokio::task::spawn_blocking(ask).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err("the process is about to end".to_owned()),
    }
}
