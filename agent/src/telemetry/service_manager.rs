//! What systemd is told, where it has started the agent (sd_notify(3)): that it watches, that it is
//! alive, that it stops. Elsewhere nothing is sent.

use sd_notify::NotifyState;

/// The hooks are attached and the services answer.
pub fn ready() {
    tell(NotifyState::Ready);
}

/// The detection task goes on: an agent that hangs is not alive, and is started anew where
/// `WatchdogSec` asks for it.
pub fn alive() {
    tell(NotifyState::Watchdog);
}

/// The agent ends in order.
pub fn stopping() {
    tell(NotifyState::Stopping);
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(false, &[state]) {
        tracing::debug!(message = "The service manager cannot be told.", %error);
    }
}
