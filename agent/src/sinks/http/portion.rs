//! How many records a request has, and whom a refusal blames.

use std::ops::Range;
use std::time::Duration;

use crate::sinks::output::Refusal;

/// Records refused one after the other for which the records are blamed; after that it is the
/// receiver, which would refuse all that comes.
const REFUSED_IN_A_ROW: usize = 16;

/// What an answer means for the records of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sinks) enum Verdict {
    /// They are the receiver's.
    Accepted,
    /// They are, but for so many of them, at least one. None may be sent again.
    Partly { refused: u64, why: String },
    /// It may take them later.
    Later {
        why: String,
        after: Option<Duration>,
    },
    /// It will never take them all.
    Never(String),
}

/// Who takes requests.
pub(in crate::sinks) trait Receiver<T>: Sync {
    /// Sends one request with some records, at least one.
    fn send(&self, items: &[T]) -> impl Future<Output = Result<Verdict, Refusal>> + Send;
}

/// Cuts records into requests. After a request was refused for good each of its records goes alone:
/// the receiver does not say which it means.
#[derive(Debug)]
pub(in crate::sinks) struct Portion {
    most: usize,
    /// The next so many records go alone.
    alone: usize,
    /// So many refusals are believed. None of a receiver that has never taken anything: it may be
    /// none, as one that speaks TLS answers everything of `http://` with 400.
    credit: usize,
}

impl Portion {
    /// Requests have that many records, at least one.
    pub(in crate::sinks) fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            alone: 0,
            credit: 0,
        }
    }

    /// Delivers the first of `items`. A record that is refused alone is given up when the receiver
    /// took others lately, or takes the one after it.
    pub(in crate::sinks) async fn deliver<T: Sync>(
        &mut self,
        items: &[T],
        receiver: &impl Receiver<T>,
    ) -> Result<usize, Refusal> {
        let mut suspected = None;
        loop {
            let range = match &suspected {
                Some(_) => 1..2,
                None => 0..self.next(items.len()),
            };
            match receiver.send(&items[range.clone()]).await? {
                Verdict::Accepted => return self.accepted(&range, suspected),
                Verdict::Partly { refused, why } if suspected.is_none() => {
                    let count = range.len();
                    self.took(count);
                    let refused = usize::try_from(refused).unwrap_or(usize::MAX).min(count);
                    return Err(Refusal::Partly {
                        count,
                        refused,
                        why,
                    });
                }
                Verdict::Later { why, after } => return Err(Refusal::Later { why, after }),
                Verdict::Never(why) | Verdict::Partly { why, .. } => {
                    if range.len() > 1 {
                        self.alone = range.len();
                    } else if self.believes() {
                        return Err(Refusal::Never { why });
                    } else if suspected.is_some() || items.len() < 2 {
                        return Err(blames_the_receiver(&why));
                    } else {
                        suspected = Some(why);
                    }
                }
            }
        }
    }

    fn next(&self, waiting: usize) -> usize {
        match self.alone {
            0 => self.most.min(waiting),
            _ => 1,
        }
    }

    fn accepted(
        &mut self,
        range: &Range<usize>,
        suspected: Option<String>,
    ) -> Result<usize, Refusal> {
        self.took(range.end);
        match suspected {
            Some(why) => Err(Refusal::Partly {
                count: range.end,
                refused: range.start,
                why,
            }),
            None => Ok(range.end),
        }
    }

    fn took(&mut self, count: usize) {
        self.alone = self.alone.saturating_sub(count);
        self.credit = REFUSED_IN_A_ROW;
    }

    /// Whether the refusal of one record is believed.
    fn believes(&mut self) -> bool {
        let Some(credit) = self.credit.checked_sub(1) else {
            return false;
        };
        self.credit = credit;
        self.alone = self.alone.saturating_sub(1);
        true
    }
}

fn blames_the_receiver(why: &str) -> Refusal {
    Refusal::later(format!(
        "{why}; it takes no other record either, so the output's settings are wrong or it is"
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::FutureExt as _;

    use super::*;

    /// A receiver that refuses some records, and what requests it got.
    struct Picky {
        refuses: fn(u32) -> bool,
        requests: Mutex<Vec<Vec<u32>>>,
    }

    impl Picky {
        fn new(refuses: fn(u32) -> bool) -> Self {
            Self {
                refuses,
                requests: Mutex::default(),
            }
        }

        fn take(&self, portion: &mut Portion, items: &[u32]) -> Result<usize, Refusal> {
            let delivery = portion.deliver(items, self);
            delivery.now_or_never().expect("nothing waits")
        }
    }

    impl Receiver<u32> for Picky {
        async fn send(&self, items: &[u32]) -> Result<Verdict, Refusal> {
            self.requests.lock().unwrap().push(items.to_vec());
            let bad = items.iter().any(|item| (self.refuses)(*item));
            Ok(match bad {
                true => Verdict::Never("bad".to_owned()),
                false => Verdict::Accepted,
            })
        }
    }

    fn never() -> Result<usize, Refusal> {
        let why = "bad".to_owned();
        Err(Refusal::Never { why })
    }

    #[test]
    fn the_records_of_a_refused_request_go_alone() {
        let receiver = Picky::new(|item| item == 5);
        let mut portion = Portion::new(3);
        assert_eq!(receiver.take(&mut portion, &[1, 2, 3, 4]), Ok(3));
        assert_eq!(receiver.take(&mut portion, &[4, 5, 6, 7]), Ok(1));
        assert_eq!(receiver.take(&mut portion, &[5, 6, 7]), never());
        assert_eq!(receiver.take(&mut portion, &[6, 7]), Ok(1));
        assert_eq!(receiver.take(&mut portion, &[7, 8]), Ok(2));
        let requests: [&[u32]; 6] = [&[1, 2, 3], &[4, 5, 6], &[4], &[5], &[6], &[7, 8]];
        assert_eq!(*receiver.requests.lock().unwrap(), requests);
    }

    #[test]
    fn the_first_record_of_all_is_given_up_when_the_next_is_taken() {
        let receiver = Picky::new(|item| item == 1);
        let mut portion = Portion::new(1);
        let partly = Err(Refusal::Partly {
            count: 2,
            refused: 1,
            why: "bad".to_owned(),
        });
        assert_eq!(receiver.take(&mut portion, &[1, 2, 3]), partly);
        assert_eq!(receiver.take(&mut portion, &[3]), Ok(1));
    }

    #[test]
    fn a_receiver_that_takes_nothing_is_blamed() {
        let all = Picky::new(|_| true);
        let mut portion = Portion::new(10);
        for items in [[1, 2].as_slice(), &[1]] {
            let later = all.take(&mut portion, items);
            assert!(matches!(later, Err(Refusal::Later { .. })), "{later:?}");
        }
        Picky::new(|_| false).take(&mut portion, &[1]).unwrap();
        for _ in 0..REFUSED_IN_A_ROW {
            assert_eq!(all.take(&mut portion, &[2]), never());
        }
        let later = all.take(&mut portion, &[2, 3]);
        assert!(matches!(later, Err(Refusal::Later { .. })), "{later:?}");
    }
}
