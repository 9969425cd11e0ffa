//! An echo of length-delimited frames: a u16, little-endian, that counts itself.
use futures_util::{SinkExt, StreamExt};
use tokio_util::codec::LengthDelimitedCodec;

fn main() -> std::io::Result<()> {
    let rt = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    rt.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?.port());
        loop {
            let (socket, _) = listener.accept().await?;
            let mut framed = LengthDelimitedCodec::builder()
                .little_endian()
                .length_field_type::<u16>()
                .length_adjustment(-2)
                .new_framed(socket);
            while let Some(Ok(frame)) = framed.next().await {
                if framed.send(frame.freeze()).await.is_err() {
                    break;
                }
            }
        }
    })
}
