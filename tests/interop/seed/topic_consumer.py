import pika


def callback(ch, method, properties, body):
    print('%r:%r' % (method.routing_key, body))
    # 手动应答，应答完再出队，防止处理逻辑异常导致数据丢失
    ch.basic_ack(delivery_tag=method.delivery_tag)


if __name__ == '__main__':
    credentials = pika.PlainCredentials('guest', 'guest')
    parameters = pika.ConnectionParameters('192.168.141.129', port=5672, virtual_host='/', credentials=credentials)
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    # 消费者
    exchange_name = 'log2'
    channel.exchange_declare(exchange=exchange_name,
                             exchange_type='topic',
                             durable=True)
    # 创建一个队列，exclusive名字随机且唯一
    result = channel.queue_declare("", durable=True, exclusive=True)
    queue_name = result.method.queue
    # 将队列与交换机绑定
    channel.queue_bind(queue=queue_name, exchange=exchange_name, routing_key='europe.#')

    channel.basic_consume(queue=queue_name,
                          auto_ack=False,
                          on_message_callback=callback)
    print('Waiting for messages. To exit press CTRL+C')
    channel.start_consuming()
