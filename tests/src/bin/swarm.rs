//! `make demo-swarm`: starts a Redis and an S3 server, runs `sop demo --hosts` over them, and stops them again.

use std::process::{Command, ExitCode};

use sop_tests::servers::redis::RedisProcess;
use sop_tests::servers::s3::{BUCKET, S3Server};

fn main() -> std::io::Result<ExitCode> {
    println!("starting redis-server and SeaweedFS on free ports of this machine");
    let (redis, s3) = (RedisProcess::start(), S3Server::start());
    let program = std::env::current_exe()?.with_file_name("sop");
    let mut demo = Command::new(&program);
    demo.arg(format!("--database=s3://{BUCKET}/demo"))
        .arg(format!("--registry={}", redis.url()));
    for (name, value) in s3.settings() {
        demo.arg(format!("--object-store={name}={value}"));
    }
    // Whatever follows on the command line may say otherwise.
    demo.args(["demo", "--flush-registry"]);
    let given: Vec<String> = std::env::args().skip(1).collect();
    if !given.iter().any(|argument| argument.starts_with("--hosts")) {
        demo.arg("--hosts=3");
    }
    let status = demo.args(given).status()?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
