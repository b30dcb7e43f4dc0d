//! A delivery slot: a task that takes a delivery, sees it through, and takes the next.
//!
//! There are as many as deliveries may be in flight. A slot that has its answer takes the next
//! delivery from the core itself, so under load no task is woken but by its own socket.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// Slots at rest.
pub(crate) struct Slots<T> {
    resting: RefCell<Vec<Rc<Seat<T>>>>,
}

/// Where a resting slot waits for its next delivery.
struct Seat<T> {
    next: Cell<Option<T>>,
    waker: RefCell<Option<Waker>>,
}

impl<T> Slots<T> {
    pub(crate) fn new() -> Self {
        Self { resting: RefCell::default() }
    }

    /// Gives work to a slot at rest; gives it back where there is none.
    pub(crate) fn give(&self, work: T) -> Result<(), T> {
        let Some(seat) = self.resting.borrow_mut().pop() else { return Err(work) };
        seat.next.set(Some(work));
        if let Some(waker) = seat.waker.take() {
            waker.wake();
        }
        Ok(())
    }

    /// Rests until there is work.
    pub(crate) async fn rest(&self) -> T {
        let seat = Rc::new(Seat { next: Cell::new(None), waker: RefCell::default() });
        self.resting.borrow_mut().push(seat.clone());
        poll_fn(|context| match seat.next.take() {
            Some(work) => Poll::Ready(work),
            None => {
                *seat.waker.borrow_mut() = Some(context.waker().clone());
                Poll::Pending
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn work_goes_to_the_slot_that_rested_last() {
        let slots = Rc::new(Slots::new());
        assert_eq!(slots.give("early"), Err("early"), "nobody rests");
        let local = tokio::task::LocalSet::new();
        let (one, other) = (slots.clone(), slots.clone());
        let first = local.spawn_local(async move { one.rest().await });
        let second = local.spawn_local(async move { other.rest().await });
        local
            .run_until(async {
                while slots.resting.borrow().len() < 2 {
                    tokio::task::yield_now().await;
                }
                assert_eq!(slots.give("second"), Ok(()));
                assert_eq!(slots.give("first"), Ok(()));
                assert_eq!(slots.give("nobody"), Err("nobody"));
                assert_eq!((first.await.unwrap(), second.await.unwrap()), ("first", "second"));
            })
            .await;
    }
}
