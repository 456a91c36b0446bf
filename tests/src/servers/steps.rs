//! Counting the requests of a process over all its proxies, and a trap that springs at one of them.

use parking_lot::Mutex;

/// Before a request is passed on, or when its answer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The server knows nothing of the request.
    Request,
    /// The server has carried it out; the client does not know.
    Answer,
}

type Act = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    /// The counting begins with a request that has this text.
    from: String,
    /// What came since the counting began.
    seen: Vec<String>,
    /// Which of them springs the trap, from 1.
    at: usize,
    moment: Option<Moment>,
    act: Option<Act>,
}

/// A counter of requests, with a trap. Several proxies may share one.
#[derive(Default)]
pub struct Steps(Mutex<State>);

impl std::fmt::Debug for Steps {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Steps({:?})", self.0.lock().seen)
    }
}

impl Steps {
    /// Begins to count anew. At request number `at`, from 1, something is done; the request or its answer is then held.
    pub fn arm(&self, at: usize, moment: Moment, act: impl FnOnce() + Send + 'static) {
        self.arm_from("", at, moment, act);
    }

    /// The same, counted from the first request that has this text in its short form.
    pub fn arm_from(
        &self,
        from: &str,
        at: usize,
        moment: Moment,
        act: impl FnOnce() + Send + 'static,
    ) {
        *self.0.lock() = State {
            from: from.to_owned(),
            seen: Vec::new(),
            at,
            moment: Some(moment),
            act: Some(Box::new(act)),
        };
    }

    /// Begins to count anew, without a trap.
    pub fn disarm(&self) {
        *self.0.lock() = State::default();
    }

    /// What came since the counting began, each in short.
    pub fn seen(&self) -> Vec<String> {
        self.0.lock().seen.clone()
    }

    /// Whether the trap has sprung.
    pub fn sprung(&self) -> bool {
        let state = self.0.lock();
        state.moment.is_some() && state.act.is_none()
    }

    pub(super) fn step(&self, head: &str) -> Option<Moment> {
        let mut state = self.0.lock();
        let request = short(head);
        if state.seen.is_empty() && !request.contains(&state.from) {
            return None;
        }
        state.seen.push(request);
        state.moment.filter(|_| state.seen.len() == state.at)
    }

    pub(super) fn spring(&self) -> Option<Act> {
        self.0.lock().act.take()
    }
}

/// The first line of an HTTP request without its query; of a Redis command the words before its arguments.
fn short(head: &str) -> String {
    if !head.starts_with('*') {
        let line = head.lines().next().unwrap_or_default();
        return line.split(['?', ' ']).take(2).collect::<Vec<_>>().join(" ");
    }
    // Every second line is a length.
    let mut words = head.lines().skip(2).step_by(2);
    let (command, script) = (words.next(), words.next());
    let script = script.unwrap_or_default().chars().take(8);
    format!(
        "{} {}",
        command.unwrap_or_default(),
        script.collect::<String>()
    )
}
