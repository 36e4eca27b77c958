//! Bounded load: so many calls in all, so many at once, within so much time.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How much load.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Calls at once, at least one.
    pub concurrent: u64,
    /// Calls in all.
    pub total: u64,
    /// The longest it may take.
    pub limit: Duration,
}

/// Runs `call` for the numbers from 0 to `total - 1` and gives the results in order of their end.
/// Each of the concurrent workers takes the next number when its last call has ended.
///
/// # Errors
/// When it takes longer than the limit (calls that still run are dropped), or a call panics.
pub async fn run<T, F, Fut>(load: Load, call: F) -> io::Result<Vec<T>>
where
    T: Send + 'static,
    F: Fn(u64) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    let call = Arc::new(call);
    let next = Arc::new(AtomicU64::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..load.concurrent.max(1).min(load.total) {
        let (call, next) = (Arc::clone(&call), Arc::clone(&next));
        workers.spawn(async move {
            let mut results = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= load.total {
                    return results;
                }
                results.push(call(number).await);
            }
        });
    }
    let all = async {
        let mut results = Vec::new();
        while let Some(worker) = workers.join_next().await {
            results.extend(worker.map_err(io::Error::other)?);
        }
        Ok(results)
    };
    timeout(load.limit, all).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_number_is_called_once_and_never_too_many_at_once() {
        let running = Arc::new(AtomicU64::new(0));
        let most = Arc::new(AtomicU64::new(0));
        let load = Load { concurrent: 7, total: 100, limit: Duration::from_secs(10) };
        let seen = Arc::clone(&most);
        let mut numbers = run(load, move |number| {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                running.fetch_sub(1, Ordering::SeqCst);
                number
            }
        })
        .await
        .expect("load");
        numbers.sort_unstable();
        assert_eq!(numbers, (0..100).collect::<Vec<_>>());
        assert_eq!(seen.load(Ordering::SeqCst), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_ends_calls_that_never_do() {
        let load = Load { concurrent: 2, total: 2, limit: Duration::from_secs(3) };
        let error = run(load, |_| std::future::pending::<()>()).await.expect_err("limit");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
