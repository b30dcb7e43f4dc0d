//! A delivery slot: a task that takes a delivery, sees it through, and rests until there is another.
//!
//! There are as many as deliveries may be in flight. Answers that come together are handed to the
//! core together, and what it then wants is sent together: a service that sleeps is woken once.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// Slots at rest.
pub(crate) struct Slots<T> {
    resting: RefCell<Vec<Rc<Rest<T>>>>,
}

/// Where a slot waits for its next delivery.
pub(crate) struct Rest<T> {
    next: Cell<Option<T>>,
    waker: RefCell<Option<Waker>>,
}

impl<T> Slots<T> {
    pub(crate) fn new() -> Self {
        Self { resting: RefCell::default() }
    }

    /// Gives work to a slot at rest; gives it back where there is none.
    pub(crate) fn give(&self, work: T) -> Result<(), T> {
        let Some(rest) = self.resting.borrow_mut().pop() else { return Err(work) };
        rest.next.set(Some(work));
        if let Some(waker) = &*rest.waker.borrow() {
            waker.wake_by_ref();
        }
        Ok(())
    }

    /// Rests until there is work.
    pub(crate) async fn rest(&self, rest: &Rc<Rest<T>>) -> T {
        self.resting.borrow_mut().push(rest.clone());
        poll_fn(|context| {
            let work = rest.next.take();
            if work.is_none() {
                let mut waker = rest.waker.borrow_mut();
                waker.get_or_insert_with(|| context.waker().clone()).clone_from(context.waker());
            }
            work.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

impl<T> Rest<T> {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self { next: Cell::new(None), waker: RefCell::default() })
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
        let first = local.spawn_local(async move { one.rest(&Rest::new()).await });
        let second = local.spawn_local(async move { other.rest(&Rest::new()).await });
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
