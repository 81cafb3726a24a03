//! Ctrl-C and SIGTERM: asks the work that runs to stop. How to stop is left to that work.

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use crate::error::Exit;

/// Starts to listen. The value becomes true when the user wants to stop.
pub(crate) fn listen() -> watch::Receiver<bool> {
    let (stop, stopping) = watch::channel(false);
    tokio::spawn(forward(stop));
    stopping
}

/// Passes the request on. If nobody listens any more, or at the third signal, it ends the program at once.
async fn forward(stop: watch::Sender<bool>) {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    for time in 1.. {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        if stop.send(true).is_err() || time == 3 {
            std::process::exit(Exit::Incomplete as i32);
        }
    }
}
