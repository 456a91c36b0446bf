//! One way to one server.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::oneshot;
use futures::future::{Either, select};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::super::plan::Weather;
use super::super::scheduler::{NETWORK, Scheduler};

/// What a server does with a request.
pub type Served<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// How requests come to a server.
#[derive(Debug)]
pub struct Network {
    scheduler: Arc<Scheduler>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    weather: Weather,
    random: StdRng,
    calls: u64,
}

/// What befalls one request.
#[derive(Clone, Copy, Debug)]
struct Fate {
    way: Duration,
    again: Option<Duration>,
    back: Duration,
    lost: bool,
    answer_lost: bool,
    patience: Duration,
}

impl State {
    fn chance(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.random.random_range(0..1_000) < per_mille
    }

    fn way(&mut self) -> Duration {
        let most = if self.chance(self.weather.slow) {
            self.weather.slow_max
        } else {
            self.weather.delay_max
        };
        let most = u64::try_from(most.as_micros()).unwrap_or(u64::MAX).max(1);
        Duration::from_micros(self.random.random_range(0..most))
    }

    fn fate(&mut self) -> Fate {
        self.calls += 1;
        Fate {
            way: self.way(),
            again: self.chance(self.weather.twice).then(|| self.way()),
            back: self.way(),
            lost: self.chance(self.weather.lost),
            answer_lost: self.chance(self.weather.answer_lost),
            patience: self.weather.patience,
        }
    }
}

impl Network {
    /// A way with this weather.
    pub fn new(scheduler: &Arc<Scheduler>, weather: Weather, seed: u64) -> Arc<Self> {
        Arc::new(Self {
            scheduler: Arc::clone(scheduler),
            state: Mutex::new(State {
                weather,
                random: StdRng::seed_from_u64(seed),
                calls: 0,
            }),
        })
    }

    /// Another weather from now on; what is under way stays under way.
    pub fn set(&self, weather: Weather) {
        self.state.lock().weather = weather;
    }

    /// Sends a request; `None` = no answer came in time, whatever happened.
    pub async fn call<T: Send + 'static>(
        &self,
        serve: impl Fn() -> Served<T> + Send + 'static,
    ) -> Option<T> {
        let (fate, call) = {
            let mut state = self.state.lock();
            (state.fate(), state.calls)
        };
        let bits = u64::from(fate.lost) | u64::from(fate.answer_lost) << 1;
        self.scheduler
            .note(&[call, bits | u64::from(fate.again.is_some()) << 2]);
        let (sender, receiver) = oneshot::channel();
        let scheduler = Arc::clone(&self.scheduler);
        let carry = async move {
            scheduler.sleep(fate.way).await;
            if fate.lost {
                // The caller learns nothing, not even that nobody will ever answer.
                scheduler.sleep(fate.patience).await;
                return drop(sender);
            }
            let answer = serve().await;
            if let Some(later) = fate.again {
                let clock = Arc::clone(&scheduler);
                let again = async move {
                    clock.sleep(later).await;
                    drop(serve().await);
                };
                scheduler.spawn(NETWORK, Box::pin(again));
            }
            scheduler.sleep(fate.back).await;
            if !fate.answer_lost {
                // The caller may be gone.
                drop(sender.send(answer));
            } else {
                drop(answer);
                scheduler.sleep(fate.patience).await;
            }
        };
        self.scheduler.spawn(NETWORK, Box::pin(carry));
        match select(receiver, self.scheduler.sleep(fate.patience)).await {
            Either::Left((answer, _)) => answer.ok(),
            Either::Right(((), _)) => None,
        }
    }
}
